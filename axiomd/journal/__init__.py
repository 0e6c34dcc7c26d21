"""The journal: everything that happened, append-only, hash-chained, durable before it has consequences."""
