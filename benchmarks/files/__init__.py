"""From JSON lines on a disk to a sink that keeps nothing: ours beside the streaming peers."""
