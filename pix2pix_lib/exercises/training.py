"""Checks of lesson 7."""
