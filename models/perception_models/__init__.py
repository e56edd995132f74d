"""Training: networks, data made from simulation, optimizers, export and cards. Needs torch.

Nothing at run time imports this package; the two meet in `models/weights/NAME.onnx` and its card.
"""
