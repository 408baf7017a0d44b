"""Checks of lesson 9."""
