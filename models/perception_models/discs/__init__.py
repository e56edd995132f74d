"""The Lab's reference task: four discs that bounce in a box, and a network that foresees them."""
