"""Networks at run time: ONNX Runtime on TensorRT, CUDA or the CPU, whichever works here.

`loading.load_network` is the way in. Nothing else of the program knows about providers.
"""
