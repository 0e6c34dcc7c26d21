"""What is measured, and how: every figure is a ratio against a reference in the same run (docs/performance.md)."""
