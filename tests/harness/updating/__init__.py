"""What becomes of a render in time: its owner's work, later releases, ``copier update``."""
