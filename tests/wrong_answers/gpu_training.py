"""Typical wrong answers of lesson 8: name, what stands in the solution, what instead, the words."""

WRONG = {}
