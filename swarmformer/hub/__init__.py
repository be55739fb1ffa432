"""Complete models: a folder, or a repository of the hub, with all that it takes to ask for the label of a text.

``model.safetensors`` has the weights and ``config.json`` the specification, the names of the classes, how texts are
read, and the run that it comes from; ``tokenizer.json`` what texts are read with; ``README.md`` is the card.
"""

from swarmformer.hub.complete import CompleteModel, load_model, read, save, save_model
from swarmformer.hub.published import from_published
from swarmformer.hub.text import TextReader

__all__ = ["CompleteModel", "TextReader", "from_published", "load_model", "read", "save", "save_model"]
