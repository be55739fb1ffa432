"""Models outside swarmformer: ONNX, torch.export and safetensors, checked against the model before they are written."""
