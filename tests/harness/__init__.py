"""What the tests share, in four packages, each of which may use those before it, and none of which holds a test.

``rendering``, ``running``, ``updating``, ``reporting``.
"""
