"""Checks of lesson 8."""
