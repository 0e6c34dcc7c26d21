"""What decides and touches nothing: rules over plain numbers, and the engine that walks through them."""
