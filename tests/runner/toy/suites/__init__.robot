*** Settings ***
Documentation       Toy criteria that the runner is tested with: one of each verdict, and one that can be stopped.
