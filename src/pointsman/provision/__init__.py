"""What happens around a container's start: its variables, the steps of the first start, the configure script."""
