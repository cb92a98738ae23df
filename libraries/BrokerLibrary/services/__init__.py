"""The five services of the seed as stand-ins: programs that speak only the wire, told what to do by lines of JSON.

`python -m BrokerLibrary.services NAME [--socket PATH]` runs one. What it understands and answers: `service.py`.
"""
