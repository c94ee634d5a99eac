static inline void esp_netif_init(void) {
}
