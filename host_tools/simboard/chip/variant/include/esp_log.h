#define ESP_LOGI(...)
#define ESP_LOGE(...)
