"""Typical wrong answers of lesson 9: name, what stands in the solution, what instead, the words."""

WRONG = {}
