"""`python -m BrokerLibrary.load`: a worker process."""

from BrokerLibrary.load.worker import main

main()
