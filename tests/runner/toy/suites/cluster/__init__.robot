*** Settings ***
Documentation       A toy system.

Suite Teardown      Leave A Trace
Library             ${CURDIR}/../../toylibrary.py
