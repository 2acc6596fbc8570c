"""What the server and its people may ask of the appliance, an office for each subject. It must never know HTTP. Read
`policy_office.py` first.
"""
