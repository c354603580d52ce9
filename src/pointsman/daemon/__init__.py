"""The control plane's process: the composition root, where every part is made and joined."""
