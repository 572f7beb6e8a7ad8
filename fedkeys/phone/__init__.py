from fedkeys.phone.device import DEFAULT_FEDERATION, DEFAULT_ORDER, Phone
