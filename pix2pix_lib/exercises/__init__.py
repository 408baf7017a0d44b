"""The checks of the workbook, one module a lesson: they say what is wrong with an answer."""
