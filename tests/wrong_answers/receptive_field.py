"""Typical wrong answers of lesson 5: name, what stands in the solution, what instead, the words."""

WRONG = {}
