"""CEL, the language of conditions: text to tree (`parse`), tree to Python (`compile`), the tree
walked with every error rule (`interpret`), and which clause decided (`explain`).

The language is described at https://github.com/google/cel-spec; what this package knows of it is
what works on JSON. Protobuf messages and extension libraries are refused by name.
"""
