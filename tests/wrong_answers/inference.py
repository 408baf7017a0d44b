"""Typical wrong answers of lesson 11: name, what stands in the solution, what instead, the words."""

WRONG = {}
