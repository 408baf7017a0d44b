"""Typical wrong answers of lesson 0: name, what stands in the solution, what instead, the words."""

WRONG = {}
