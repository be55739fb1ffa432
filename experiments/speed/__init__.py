"""What the figures of speed compare: the arms of each as calls, which have agreed before they are timed."""
