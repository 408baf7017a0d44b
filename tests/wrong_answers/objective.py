"""Typical wrong answers of lesson 6: name, what stands in the solution, what instead, the words."""

WRONG = {}
