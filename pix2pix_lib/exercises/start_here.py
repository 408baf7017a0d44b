"""Checks of lesson 0."""
