"""Typical wrong answers of lesson 2: name, what stands in the solution, what instead, the words."""

WRONG = {}
