"""Where configuration comes from: files, environment and flags, merged in that order and parsed once."""
