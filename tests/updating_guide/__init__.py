"""What ``docs/updating.md`` of a service tells its owner to type does what it says, and so does the job of its CI.

Every command of the guide is typed here, in services made from a clone of this repository that has two releases more.
"""
