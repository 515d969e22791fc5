"""Nothing that a service has acknowledged is ever lost, whatever happens to it, its database and the network between.

Rendered services run as processes, with servers of their own. Clients use them and write down what was answered, faults
happen, and in the end what was written down and what the tables hold must agree.
"""
