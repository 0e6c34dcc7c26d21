"""The guards: what may refuse an order and what may trip the kill switch; one chain in live, paper and replay."""
