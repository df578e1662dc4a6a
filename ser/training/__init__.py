"""Training: ``task`` holds what replicas share, ``loop`` trains one replica, ``engines`` train many replicas."""
