"""The guards: what may refuse an order, what may trip the kill switch. One chain, the same in live, paper and replay."""
