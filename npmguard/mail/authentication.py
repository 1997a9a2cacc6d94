from npmguard.model import MailAuthentication
def authenticate(message, options):
    return MailAuthentication()
