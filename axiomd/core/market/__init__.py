"""Market data as plain arrays and tables: sessions, validation, resampling and the quality of what came in."""
