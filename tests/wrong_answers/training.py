"""Typical wrong answers of lesson 7: name, what stands in the solution, what instead, the words."""

WRONG = {}
