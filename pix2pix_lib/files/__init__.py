"""Pictures, data sets and weights on disk: reading, writing, building, downloading, checking."""
