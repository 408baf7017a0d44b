"""Typical wrong answers of lesson 12: name, what stands in the solution, what instead, the words."""

WRONG = {}
