"""Language models as files store them: one reader for each format, one description for all."""
