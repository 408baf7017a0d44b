"""Typical wrong answers of lesson 4: name, what stands in the solution, what instead, the words."""

WRONG = {}
