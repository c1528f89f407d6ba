"""The weights of models: where they lie, how they are fetched, read, and fitted into a network.

places     where they lie on this machine, and where they came from
licences   what must be accepted before some are fetched
watching   work that may hang: progress, cancelling, limits of time
download   one file from one address
ways       the Hugging Face hub, and the authors' own address
index      a package index
fetching   by the first way that works
checkpoint, onnx_file    a file's tensors by name
names      which of them are a network, under names that timm knows
fitting    into a network; which named model a file is of
"""
