"""A process as a picture: an SVG for the screen, and BPMN 2.0 for other people's tools. Both are
drawn from the same definition by the same layout, without a clock or chance: the same file makes
the same bytes.
"""
