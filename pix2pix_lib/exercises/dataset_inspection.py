"""Checks of lesson 1."""
