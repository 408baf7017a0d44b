"""Checks of lesson 12."""
