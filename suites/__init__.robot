*** Settings ***
Documentation    Acceptance criteria of distributed data systems. One folder a system; a test's name is its criterion.

Resource         ../resources/environment.resource

Suite Setup      Validate Environment
