"""Checks of lesson 11."""
