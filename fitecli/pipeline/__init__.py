"""What the commands do: the stages of the flow over the store, and the engine that runs them."""
