"""Checks of lesson 5."""
