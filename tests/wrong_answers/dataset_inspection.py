"""Typical wrong answers of lesson 1: name, what stands in the solution, what instead, the words."""

WRONG = {}
